// Program logs answers, in place of the kubelets of simulated nodes, what the API server asks them for: containers' logs.
//
// KWOK has an answer of its own, but a log that is followed never ends there. A kubelet ends it when the container ends,
// which is what a reader waits for. Every container has written one line, at the time it started.
package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"log"
	"math/big"
	"net/http"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

// life of a pod's only container; both channels are closed, once each, when it comes to that.
type life struct {
	started, ended chan struct{}
	at             time.Time
}

func isClosed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

type kubelet struct {
	sync.Mutex
	lives map[string]*life
}

// of returns the life of a pod, which may be asked for before the pod is known here.
func (k *kubelet) of(name string) *life {
	k.Lock()
	defer k.Unlock()
	found, ok := k.lives[name]
	if !ok {
		found = &life{started: make(chan struct{}), ended: make(chan struct{})}
		k.lives[name] = found
	}
	return found
}

func (k *kubelet) learn(pod *corev1.Pod) {
	if pod.Status.StartTime == nil || len(pod.Status.ContainerStatuses) == 0 {
		return
	}
	one := k.of(pod.Namespace + "/" + pod.Name)
	if !isClosed(one.started) {
		one.at = pod.Status.StartTime.Time
		close(one.started)
	}
	if over := pod.Status.Phase; (over == corev1.PodSucceeded || over == corev1.PodFailed) && !isClosed(one.ended) {
		close(one.ended)
	}
}

func (k *kubelet) forget(name string) {
	k.Lock()
	defer k.Unlock()
	if one, ok := k.lives[name]; ok {
		if !isClosed(one.ended) {
			close(one.ended)
		}
		delete(k.lives, name)
	}
}

func (k *kubelet) log(answer http.ResponseWriter, request *http.Request) {
	one := k.of(request.PathValue("namespace") + "/" + request.PathValue("pod"))
	select {
	case <-one.started:
	case <-request.Context().Done():
		return
	case <-one.ended: // deleted without a start
		return
	}
	if request.FormValue("timestamps") == "true" {
		fmt.Fprint(answer, one.at.UTC().Format(time.RFC3339Nano), " ")
	}
	fmt.Fprintln(answer, "simulated")
	if request.FormValue("follow") == "true" {
		http.NewResponseController(answer).Flush()
		select {
		case <-one.ended:
		case <-request.Context().Done():
		}
	}
}

func (k *kubelet) watch(kubeconfig, selector string) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	choose := func(options *metav1.ListOptions) { options.LabelSelector = selector }
	factory := informers.NewSharedInformerFactoryWithOptions(
		kubernetes.NewForConfigOrDie(config), 0, informers.WithTweakListOptions(choose))
	pods := factory.Core().V1().Pods().Informer()
	_, err = pods.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(pod any) { k.learn(pod.(*corev1.Pod)) },
		UpdateFunc: func(_, pod any) { k.learn(pod.(*corev1.Pod)) },
		DeleteFunc: func(pod any) {
			if name, err := cache.DeletionHandlingMetaNamespaceKeyFunc(pod); err == nil {
				k.forget(name)
			}
		},
	})
	factory.Start(context.Background().Done())
	return err
}

// certificate signs itself: the API server of a cluster made by kubeadm does not verify kubelets either.
func certificate() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().AddDate(1, 0, 0)}
	signed, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	return tls.Certificate{Certificate: [][]byte{signed}, PrivateKey: key}, err
}

func main() {
	address := flag.String("address", "127.0.0.1:10260", "where to answer")
	kubeconfig := flag.String("kubeconfig", "", "file that says how to reach the API server")
	selector := flag.String("selector", "", "labels of the pods that are simulated")
	flag.Parse()
	every := &kubelet{lives: map[string]*life{}}
	if err := every.watch(*kubeconfig, *selector); err != nil {
		log.Fatal(err)
	}
	own, err := certificate()
	if err != nil {
		log.Fatal(err)
	}
	routes := http.NewServeMux()
	routes.HandleFunc("GET /containerLogs/{namespace}/{pod}/{container}", every.log)
	server := &http.Server{Addr: *address, Handler: routes, TLSConfig: &tls.Config{Certificates: []tls.Certificate{own}}}
	log.Fatal(server.ListenAndServeTLS("", ""))
}
